"""recbench from Python: what the commands do, as functions whose results are objects. Use it by `import recbench`."""
