"""What each client takes of a server, whichever of its workers it meets: kept in memory that the workers share."""
