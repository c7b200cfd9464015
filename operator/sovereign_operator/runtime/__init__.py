"""What all processes of the operator share: start and stop, common options, JSON logs, health, metrics, a work queue.

Processes that run until they are stopped build on ``process``; Jobs of the chart build on ``job``.
"""
