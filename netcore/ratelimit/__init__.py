"""Limits on how much, or how often, a peer may send: token buckets, and what slows connections down."""

from netcore.ratelimit.bucket import TokenBucket
from netcore.ratelimit.buckets import TokenBuckets
from netcore.ratelimit.limiter import RateLimiter

__all__ = ["RateLimiter", "TokenBucket", "TokenBuckets"]
