#!/bin/bash
# A study in a SLURM allocation, from a folder that all nodes see:
#
#     sbatch docs/slurm.sh ablate ablations/joint_components.yaml --corpus conll04=DIR
#
# Whatever follows is a command of relab. Typed again it goes on: the records are in relab-store, in that folder.
#SBATCH --job-name=relab
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
# Whole nodes: Ray ends all of a user's Ray on a node with its own.
#SBATCH --exclusive

set -euo pipefail
export PATH="$PWD/.venv/bin:$PATH"  # relab and Ray, as `make` has installed them
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# Without a token whoever reaches a node can run code on all of them.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

# The command runs on the first node; with --wait the others end soon after it, where Ray itself would take a minute.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --wait=15 \
    ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats \
    -- env RAY_ADDRESS="$head:6379" relab "$@"
