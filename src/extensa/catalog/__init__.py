"""What can be installed: extension types, their versions and trains, and the charts behind them.

It takes in what publishers say, keeps it, and answers which version a wish stands for. It installs nothing, and knows
of no extension that was made from a type.
"""
