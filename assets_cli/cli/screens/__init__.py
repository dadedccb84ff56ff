"""What people see: pure functions from values to lines of text. They print nothing and decide nothing."""
