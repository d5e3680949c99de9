"""Products as sums of products of linear forms (CP decomposition); O(3) acts on `dim`, to a stated error."""
