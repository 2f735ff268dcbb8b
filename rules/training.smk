"""Stages and predictions: the rules that need a learning framework."""


rule train:
    input:
        slices=of_cohorts("data/slices/{study}/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
        parents=parents,
        code=network_code("train"),
    output:
        "results/{study}/stages/{batch}.json",
    log:
        "logs/{study}/train/{batch}.log",
    benchmark:
        "logs/benchmarks/{study}/train/{batch}.tsv"
    priority: 10
    conda:
        lambda w: f"../envs/{STUDIES[w.study].network.engine}.yaml"
    threads: lambda w: STUDIES[w.study].execution.threads
    resources:
        gpu=min(1, len(GPUS)),
    params:
        cfg=lambda w: canonical(sections.train(STUDIES[w.study], PLANS[w.study].batches[w.batch])),
    shell:
        "python -m workflow_scripts.train --cfg {params.cfg:q} --slices {input.slices} "
        "--splits {input.splits} --out {output} --threads {threads} --log {log} 2> {log}"


rule predict:
    input:
        slices=of_cohorts("data/slices/{study}/{cohort}/manifest.json"),
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
        stages=stages_of_family,
        code=network_code("predict"),
    output:
        "results/{study}/predictions/{family}.json",
    log:
        "logs/{study}/predict/{family}.log",
    benchmark:
        "logs/benchmarks/{study}/predict/{family}.tsv"
    conda:
        lambda w: f"../envs/{STUDIES[w.study].network.engine}.yaml"
    threads: lambda w: STUDIES[w.study].execution.threads
    resources:
        gpu=min(1, len(GPUS)),
    params:
        cfg=lambda w: canonical(
            sections.predict(STUDIES[w.study], PLANS[w.study].families()[w.family])
        ),
    shell:
        "python -m workflow_scripts.predict --cfg {params.cfg:q} --slices {input.slices} "
        "--cases {input.cases} --splits {input.splits} --stages {input.stages} --out {output} "
        "--threads {threads} --log {log} 2> {log}"
