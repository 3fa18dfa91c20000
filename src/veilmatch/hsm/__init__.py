"""Keys in a hardware module, over PKCS#11: signing, and wrapping of secrets that are stored.

The private key never leaves the module. A module is named by a PKCS#11 URI; its PIN comes
from a file or from the keyboard, never from the command line.

Spec: ``spec/27-provider-kit.md`` section 2.
"""
