# dip-jax on a CPU, for the pictures of the current folder:
#   docker build -t dip-jax .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/pictures" dip-jax noisy.png
# The page, at http://127.0.0.1:8765, for this machine alone:
#   docker run --rm -p 127.0.0.1:8765:8765 --entrypoint dip-jax-studio dip-jax \
#     --host=0.0.0.0 --port=8765 --no_browser
# On an NVIDIA GPU, with NVIDIA's container toolkit:
#   docker build -t dip-jax-gpu --build-arg EXTRAS=studio,cuda13 .
#   docker run --rm --gpus=all -v "$PWD:/pictures" dip-jax-gpu noisy.png
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir=/wheels .

FROM python:3.12-slim
ARG EXTRAS=studio
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[$EXTRAS]" && rm -r /wheels
# Compiled programs stay in a volume, so that later runs start in seconds. Any user may write there.
ENV JAX_COMPILATION_CACHE_DIR=/cache
RUN mkdir --mode=1777 /cache && useradd --create-home --uid=1000 restorer
VOLUME /cache
WORKDIR /pictures
USER 1000
EXPOSE 8765
ENTRYPOINT ["dip-jax"]
CMD ["--help"]
