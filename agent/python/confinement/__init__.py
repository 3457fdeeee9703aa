"""What takes rights from a process before it becomes a program that nobody trusts: seccomp, Landlock, a supervisor."""
