"""What tests share: a world without chance, vaults, photos, and the command line."""
