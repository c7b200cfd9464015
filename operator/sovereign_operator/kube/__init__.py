"""How every process of the operator reads and writes Kubernetes objects.

``client`` sends requests, ``mirror`` follows a collection, ``objects`` holds typed values of what is read, and
``adoption`` reads what the controller needs before it takes a workload into scope.
"""
