"""Byte buffers: rings, chunk lists, a mix of both, and the pool that rings take their storage from.

Every buffer is first in, first out, belongs to one loop thread and takes no lock. Sizes are bytes.

A view handed out by ``peek`` never sees its bytes change, whatever is done to the buffer afterwards:
storage that a view still looks at is left to that view, and the buffer goes on with fresh storage.
"""

from netcore.buffer.elastic import ElasticBuffer
from netcore.buffer.elastic_ring import ElasticRingBuffer
from netcore.buffer.linked_list import LinkedListBuffer
from netcore.buffer.pool import BufferPool
from netcore.buffer.protocol import ByteBuffer, ReadableFile, WritableFile
from netcore.buffer.ring import RingBuffer
from netcore.buffer.views import VIEWS_ARE_COUNTED, copy_of, writable_view

__all__ = [
    "VIEWS_ARE_COUNTED",
    "BufferPool",
    "ByteBuffer",
    "ElasticBuffer",
    "ElasticRingBuffer",
    "LinkedListBuffer",
    "ReadableFile",
    "RingBuffer",
    "WritableFile",
    "copy_of",
    "writable_view",
]
