"""Backups: all rows as of one moment, in plain files with checksums and a signed manifest; the tables are made by migrations.

Keys are in no backup: neither SECRET_KEY nor ENCRYPTION_KEYS. Sessions are left out, so that a restore signs everybody out.
"""
