"""What products and layers, in which O(3) acts along `dim`, must keep; `intertwine.testing` lists the checks."""
