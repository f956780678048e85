"""`dast plan`: which stages would run and why, what they would cost, and what is reused."""
