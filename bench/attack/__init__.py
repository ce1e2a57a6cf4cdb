"""Attacks as bounded programs, each with the figures that netcore must hold under it."""
