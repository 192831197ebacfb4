# For Mac and Windows: the set-up of the Makefile, on the Linux that it is tried on. Build and start:
#     docker build -t learned-losses .
#     docker run --rm -p 8888:8888 learned-losses
# and open the address that it prints. Or one of the commands, keeping what it writes:
#     docker run --rm -v learned-losses-runs:/course/runs learned-losses make run

# MXNet 1.9.1 is for x86-64 alone: an ARM machine emulates it, slowly. Debian 12 has Python 3.11.
FROM --platform=linux/amd64 debian:12-slim

RUN apt-get update && \
    apt-get install -y --no-install-recommends \
        ca-certificates git make python3.11 python3.11-venv libgomp1 libquadmath0 && \
    rm -rf /var/lib/apt/lists/*

RUN useradd --create-home student && install -d -o student /course
USER student
WORKDIR /course

# What the set-up needs comes first, so that a changed chapter does not install all packages anew.
COPY --chown=student Makefile pyproject.toml requirements.txt LICENSE NOTICE.md README.md ./
COPY --chown=student d2lvae d2lvae
RUN make data && rm -rf /home/student/.cache

COPY --chown=student . .
RUN mkdir -p runs

EXPOSE 8888
ENV OMP_NUM_THREADS=1
CMD [".venv/bin/jupyter", "lab", "notebooks", "--ip=0.0.0.0", "--no-browser"]
