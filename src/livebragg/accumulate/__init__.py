"""accumulate"""
