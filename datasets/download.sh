#!/bin/sh
# Fetches the larger data sets from their homes. See --help.
set -eu

usage() {
  cat <<'TEXT'
usage: download.sh [--to FOLDER] SET...

  mnist           MNIST, 12 MB, into FOLDER/mnist
  fashion_mnist   Fashion-MNIST, 31 MB, into FOLDER/fashion_mnist
  cifar10         CIFAR-10, binary version, 170 MB, into FOLDER/cifar10
  all             these three

  --to FOLDER     where to; default: the folder downloads beside this script
  --help          this text

Needs curl or wget. A file gets its name only when its checksum is the published one; a file that is already
there and right is not fetched again; an interrupted download goes on where it stopped.
TEXT
}

say() { printf '%s\n' "$*" >&2; }
die() {
  say "download.sh: $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

sha256_of() {
  if have sha256sum; then sha256sum "$1" | cut -d' ' -f1
  elif have shasum; then shasum -a 256 "$1" | cut -d' ' -f1
  else die "sha256sum or shasum is needed to check the files"; fi
}

md5_of() {
  if have md5sum; then md5sum "$1" | cut -d' ' -f1
  elif have md5; then md5 -q "$1"
  else die "md5sum or md5 is needed to check the files"; fi
}

# The checksum of file $1 in the manner of $2, "sha256:..." or "md5:...", is that of $2.
matches() {
  case $2 in
    sha256:*) [ "sha256:$(sha256_of "$1")" = "$2" ] ;;
    md5:*) [ "md5:$(md5_of "$1")" = "$2" ] ;;
  esac
}

# fetch URL FILE: goes on with FILE if a part of it is there.
fetch() {
  if have curl; then
    curl --fail --location --continue-at - --connect-timeout 20 --retry 2 --progress-bar --output "$2" "$1"
  elif have wget; then
    wget --continue --timeout=20 --tries=3 --output-document="$2" "$1"
  else
    die "curl or wget is needed; on Debian and Ubuntu: sudo apt-get install curl"
  fi
}

# get FILE CHECKSUM URL...: FILE from the first URL that has the right one.
get() {
  file=$1 checksum=$2
  shift 2
  if [ -f "$file" ]; then
    if matches "$file" "$checksum"; then
      say "$file is there"
      return
    fi
    die "$file is there, but its checksum is not the published one; remove it to fetch it again"
  fi
  for url in "$@"; do
    # What is left of an earlier download may be damaged: a second attempt starts afresh.
    for attempt in 1 2; do
      if [ "$attempt" = 1 ] && [ -f "$file.part" ] && matches "$file.part" "$checksum"; then break; fi
      say "$url"
      code=0
      fetch "$url" "$file.part" || code=$?
      if [ "$code" != 0 ]; then
        say "  did not work"
        # The server refused (curl 22, 33, 36; wget 8), perhaps because the part is longer than the file: once more without it.
        case $code in 8 | 22 | 33 | 36) [ -f "$file.part" ] || break ;; *) break ;; esac
        rm -f "$file.part"
        continue
      fi
      if matches "$file.part" "$checksum"; then break; fi
      say "  the checksum is not the published one"
      rm -f "$file.part"
    done
    if [ -f "$file.part" ] && matches "$file.part" "$checksum"; then
      mv "$file.part" "$file"
      return
    fi
  done
  die "could not fetch $file; is there a network? It can also be put there by hand, from $1"
}

# idx FOLDER CHECKSUMS BASE-URL...: the four files of MNIST and its relatives; CHECKSUMS in the order of the names below.
idx() {
  folder=$1 sums=$2
  shift 2
  mkdir -p "$folder"
  for name in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte; do
    sum=${sums%% *} sums=${sums#* }
    case $# in
      1) get "$folder/$name.gz" "$sum" "$1$name.gz" ;;
      *) get "$folder/$name.gz" "$sum" "$1$name.gz" "$2$name.gz" ;;
    esac
  done
  say "done: $folder"
}

mnist() {
  idx "$to/mnist" "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 \
sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c \
sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 \
sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6" \
    https://ossci-datasets.s3.amazonaws.com/mnist/ http://yann.lecun.com/exdb/mnist/
}

fashion_mnist() {
  idx "$to/fashion_mnist" "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d \
md5:25c81989df183df01b3e8a0aad5dffbe \
md5:bef4ecab320f06d8554ea6380940ec79 \
md5:bb300cfdad3c16e7a12a480ee83cd310" \
    https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/ \
    http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/
}

cifar10() {
  folder=$to/cifar10 archive=$to/cifar-10-binary.tar.gz
  if [ -d "$folder" ]; then
    say "$folder is there"
    return
  fi
  get "$archive" md5:c32a1d4ab5d03f1284b67883e8d87530 https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz
  unpacked=$(mktemp -d "$to/unpacking.XXXXXX")
  tar -xzf "$archive" -C "$unpacked" || { rm -rf "$unpacked"; die "could not unpack $archive; is the disk full?"; }
  for name in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    if [ ! -f "$unpacked/cifar-10-batches-bin/$name.bin" ]; then
      rm -rf "$unpacked"
      die "$archive has no $name.bin"
    fi
  done
  mv "$unpacked/cifar-10-batches-bin" "$folder"
  rmdir "$unpacked"
  rm -f "$archive"
  say "done: $folder"
}

to=$(dirname "$0")/downloads
sets=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit 0 ;;
    --to)
      [ $# -ge 2 ] || die "--to needs a folder"
      to=$2
      shift
      ;;
    mnist | fashion_mnist | cifar10) sets="$sets $1" ;;
    all) sets="mnist fashion_mnist cifar10" ;;
    *)
      usage >&2
      die "there is no '$1'"
      ;;
  esac
  shift
done
if [ -z "$sets" ]; then
  usage >&2
  exit 2
fi
mkdir -p "$to" || die "cannot make the folder $to"
for set in $sets; do "$set"; done
