"""The Jobs that have the API server trust the injector: no process that runs on may write webhook configurations."""
