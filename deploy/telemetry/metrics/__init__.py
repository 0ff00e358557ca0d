"""Every metric of the product: a row per metric, by what is measured, and the page that explains them."""
