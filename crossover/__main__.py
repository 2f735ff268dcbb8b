from crossover.cli import app

app(prog_name="crossover")
