"""The verbs: functions on samples and arrays first, steps second. Beam stays outside."""
