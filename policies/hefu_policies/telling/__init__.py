"""Policies and decisions in plain Chinese and English."""
