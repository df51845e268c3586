"""What is offered: resources with their schema, products, and who may see them."""
