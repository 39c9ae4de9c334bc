"""`KubeSchedulerConfiguration` files: what they may say, what is wrong with them, and the profiles that come of them.

Refuses: deciding anything about a pod. Only read when a file is given; without one every plugin has its defaults.
"""
