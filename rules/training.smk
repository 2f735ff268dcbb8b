"""Stages and predictions: the rules that need a learning framework."""


rule train:
    input:
        slices=of_cohorts("data/slices/{study}/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
        parents=parents,
        selection=selection,
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
        selection=selected,
    shell:
        "python -m workflow_scripts.train --cfg {params.cfg:q} --slices {input.slices} "
        "--splits {input.splits} {params.selection} --out {output} --threads {threads} --log {log} 2> {log}"


rule predict:
    input:
        slices=of_cohorts("data/slices/{study}/{cohort}/manifest.json"),
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
        splits="results/{study}/splits.csv",
        stages=stages_of_group,
        selection=selection,
        code=network_code("predict"),
    output:
        "results/{study}/predictions/{group}.json",
    log:
        "logs/{study}/predict/{group}.log",
    benchmark:
        "logs/benchmarks/{study}/predict/{group}.tsv"
    conda:
        lambda w: f"../envs/{STUDIES[w.study].network.engine}.yaml"
    threads: lambda w: STUDIES[w.study].execution.threads
    resources:
        gpu=min(1, len(GPUS)),
    params:
        cfg=lambda w: canonical(sections.predict(STUDIES[w.study], models_of(w))),
        selection=selected,
    shell:
        "python -m workflow_scripts.predict --cfg {params.cfg:q} --slices {input.slices} "
        "--cases {input.cases} --splits {input.splits} --stages {input.stages} {params.selection} "
        "--out {output} --threads {threads} --log {log} 2> {log}"


rule selection:
    input:
        stages=lambda w: [
            f"results/{w.study}/stages/{batch}.json" for batch in PLANS[w.study].selection
        ],
        code=code("selection"),
    output:
        table="results/{study}/statistics/cross_validation.csv",
        chosen="results/{study}/selection.json",
    log:
        "logs/{study}/selection.log",
    priority: 10
    conda:
        "../envs/statistics.yaml"
    params:
        cfg=lambda w: canonical(sections.selection(STUDIES[w.study])),
    shell:
        "python -m workflow_scripts.selection --cfg {params.cfg:q} --stages {input.stages} --table {output.table} "
        "--out {output.chosen} --log {log} 2> {log}"
