"""The tables of the papers, as they were printed, and how they are shown beside what is measured."""
