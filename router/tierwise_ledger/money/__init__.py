"""Money: looks at the fleet, the bill and its shares, budgets and their leases."""
