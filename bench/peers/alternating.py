"""What the scripts beside this one share that time the same graph in several programs, in turn."""
import subprocess
import time

import numpy as np


def milliseconds(run, n):
    times = []
    for _ in range(n):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


class Served:
    """One of roto's benchmarks with --serve, a process that runs its graph whenever it is told to."""

    def __init__(self, command, inputs, output):
        self.name, self.output = command[0], output
        self.process = subprocess.Popen([*command, "--serve", "--input", inputs, "--output", output],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, n):
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        return [float(word) for word in self.process.stdout.readline().split()]

    def outputs(self):
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise SystemExit(f"{self.name} failed")
        return np.fromfile(self.output, np.float32)


def alternate(programs, rounds, runs, warm_up, pause_s):
    """{name: milliseconds of each run} of {name: program}; pauses let the others' threads go to sleep."""
    times = {name: [] for name in programs}
    for program in programs.values():
        program.run(warm_up)
    for _ in range(rounds):
        for name, program in programs.items():
            time.sleep(pause_s)
            times[name] += program.run(runs)
    return times
