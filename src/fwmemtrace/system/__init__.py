"""What the operating system and the allocators tell about this process's memory."""
