"""Records and the lab's rows -> one report that answers questions, each number by a query that stands beside it."""
