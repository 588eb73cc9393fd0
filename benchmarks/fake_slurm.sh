#!/usr/bin/env bash
# Try --slurm without Slurm: commands of its names that run jobs on this machine, then meagraph with and without them.
# bash benchmarks/fake_slurm.sh FILE.extxyz FOLDER
set -u
data=$(realpath "$1") place=$2
mkdir -p "$place/bin" "$place/jobs" && cd "$place" || exit 1
cat > bin/sbatch <<'X'
#!/usr/bin/env bash
if grep -q '^#SBATCH -p none$' "$1"; then echo "sbatch: error: invalid partition specified: none" >&2; exit 1; fi
jobs=$(dirname "$(dirname "$0")")/jobs
number=$$
cp "$1" "$jobs/$number.sh"
setsid bash "$jobs/$number.sh" > "$jobs/$number.log" 2>&1 < /dev/null &
echo $! > "$jobs/$number.pid"
echo "Submitted batch job $number"
X
cat > bin/scancel <<'X'
#!/usr/bin/env bash
jobs=$(dirname "$(dirname "$0")")/jobs
for number; do kill -- -"$(cat "$jobs/$number.pid")"; echo "$number" >> "$jobs/cancelled"; done
X
printf '#!/usr/bin/env bash\nls "$(dirname "$(dirname "$0")")/jobs"\n' > bin/squeue
chmod +x bin/*
run() { MEAVIZ_CACHE="$place/cache-$1" timeout 600 python -m meagraph.cli run "$data" --epochs 10 --out "$@" 2>&1 | tail -n 4; }
write() { printf '%s\n' "jobs: 2" "cores: 1" "processes: 1" "memory: 2GB" "interface: lo" "$@"; }
write > good.yaml
write "queue: none" > refused.yaml
write "coress: 1" > misspelt.yaml
echo "== without"; run plain
echo "== settings that nobody knows"; PATH=$PWD/bin:$PATH run misspelt --slurm misspelt.yaml
echo "== refused by Slurm"; PATH=$PWD/bin:$PATH run refused --slurm refused.yaml
echo "== no Slurm"; run none --slurm good.yaml
echo "== two jobs"; PATH=$PWD/bin:$PATH run out --slurm good.yaml
for file in plain/*-kept.*; do cmp "$file" "out/${file##*/}" && echo "same bytes: ${file##*/}"; done
cat jobs/*.sh | head -n 10; sleep 2
for file in jobs/*.pid; do kill -0 "$(cat "$file")" 2>/dev/null && echo "still runs: $file"; done
echo "cancelled: $(tr '\n' ' ' < jobs/cancelled)"
