"""The rule kinds of the gate, one small pure module each. Nothing else can gate a send."""
