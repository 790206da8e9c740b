"""The running appliance: clocks, the loop, the dispatcher, the service, the command contract, and what commands read and report."""
