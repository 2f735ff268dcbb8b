"""Stages and predictions: the rules that need a learning framework."""


rule train:
    input:
        slices=where_read("slices", of_cohorts("data/slices/{study}/{cohort}/manifest.json")),
        cases=where_read("cases", of_cohorts("data/cases/{cohort}/manifest.json")),
        corrected=where_read("cases", corrected),
        splits="results/{study}/splits.csv",
        parents=parents,
        selection=selection,
    output:
        "results/{study}/stages/{batch}.json",
    log:
        "logs/{study}/train/{batch}.log",
    priority: 10
    conda:
        lambda w: f"../envs/{environment(w)}.yaml"
    threads: lambda w: STUDIES[w.study].execution.threads
    resources:
        **scheduler_resources("train"),
        gpu_tickets=gpu_tickets,
    params:
        code=network_code("train", "training"),
        engine=lambda w: network_of(w).engine,
        cfg=lambda w: canonical(parameters.train(STUDIES[w.study], PLANS[w.study].batches[w.batch])),
        # with `input` among its arguments it is no reason to run again
        checks=lambda w, input: canonical(parameters.train_checks(STUDIES[w.study], PLANS[w.study].batches[w.batch])),
    shell:
        'python -I -S "$CROSSOVER_JOB" {params.engine} train --code {params.code:q} --cfg {params.cfg:q} '
        "--checks {params.checks:q} --slices {input.slices} --cases {input.cases} --corrected {input.corrected} "
        "--splits {input.splits} --parents {input.parents} "
        "--selection {input.selection} --out {output} --threads {threads} "
        "--tickets {resources.gpu_tickets} --log {log} 2> {log}"


rule predict:
    input:
        slices=where_read("slices", of_cohorts("data/slices/{study}/{cohort}/manifest.json")),
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
        corrected=where_read("cases", corrected),
        splits="results/{study}/splits.csv",
        stages=stages_of_group,
        selection=selection,
    output:
        "results/{study}/predictions/{group}.json",
    log:
        "logs/{study}/predict/{group}.log",
    conda:
        lambda w: f"../envs/{environment(w)}.yaml"
    threads: lambda w: STUDIES[w.study].execution.threads
    resources:
        **scheduler_resources("predict"),
        gpu_tickets=gpu_tickets,
    params:
        code=network_code("predict", "prediction"),
        engine=lambda w: network_of(w).engine,
        cfg=lambda w: canonical(parameters.predict(STUDIES[w.study], models_of(w))),
    shell:
        'python -I -S "$CROSSOVER_JOB" {params.engine} predict --code {params.code:q} --cfg {params.cfg:q} '
        "--slices {input.slices} --cases {input.cases} --corrected {input.corrected} --splits {input.splits} "
        "--stages {input.stages} --selection {input.selection} --out {output} "
        "--threads {threads} --tickets {resources.gpu_tickets} --log {log} 2> {log}"


rule selection:
    input:
        stages=stages_of_selection,
    output:
        "results/{study}/selection.json",
    log:
        "logs/{study}/selection.log",
    priority: 10
    conda:
        "../envs/statistics.yaml"
    resources:
        **scheduler_resources("selection"),
    params:
        code=code("selection"),
        cfg=lambda w: canonical(parameters.selection(STUDIES[w.study])),
    shell:
        'python -I -S "$CROSSOVER_JOB" tables selection --code {params.code:q} --cfg {params.cfg:q} '
        "--stages {input.stages} --out {output} --log {log} 2> {log}"
