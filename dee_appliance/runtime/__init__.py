"""The running appliance: clocks, loop, dispatcher, service, the command contract, and what commands read and report."""
