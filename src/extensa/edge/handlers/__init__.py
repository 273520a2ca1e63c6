"""What is done at each route: every handler asks one room below and renders its answer."""
