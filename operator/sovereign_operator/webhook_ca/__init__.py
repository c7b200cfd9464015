"""The Jobs that make the API server trust the injector's webhook, before and after the chart is installed or upgraded.

They are Jobs because no long-running process may write webhook configurations.
"""
