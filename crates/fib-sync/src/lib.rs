//! From best paths to the kernel's forwarding table: next-hop resolution, desired state, plan, writer.
