"""The deterministic core: values in, values out. One directory per semantics epoch, frozen by hash once released."""
