"""What there is and whether it works: listings, the machine, single runs, a method of your own."""
