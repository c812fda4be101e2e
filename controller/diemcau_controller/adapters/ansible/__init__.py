"""Ansible: carries out runs on units."""
