"""Raw data -> cases -> bias-corrected channels -> slices; and the split of the patients."""


rule receive:
    output:
        "data/raw/{cohort}/manifest.json",
    log:
        "logs/receive/{cohort}.log",
    group:
        group("cohort")
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_cohort
    resources:
        **scheduler_resources("receive"),
    params:
        code=code("receive", *SOURCES),
        cfg=lambda w: received(w.cohort),
    shell:
        'python -I -S "$CROSSOVER_JOB" images receive --code {params.code:q} --cfg {params.cfg:q} '
        "--out {output} --threads {threads} --log {log} 2> {log}"


rule cases:
    input:
        raw="data/raw/{cohort}/manifest.json",
    output:
        manifest="data/cases/{cohort}/manifest.json",
        patients="data/cases/{cohort}/patients.csv",
    log:
        "logs/cases/{cohort}.log",
    group:
        group("cohort")
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_cohort
    resources:
        **scheduler_resources("cases"),
    params:
        code=code("cases", *SOURCES),
        cfg=lambda w: canonical(parameters.cases(STUDIES[COHORTS[w.cohort]], w.cohort)),
    shell:
        'python -I -S "$CROSSOVER_JOB" images cases --code {params.code:q} --cfg {params.cfg:q} '
        "--raw {input.raw} --out {output} --threads {threads} --log {log} 2> {log}"


# Where a study wants several: each corrects some of the cases, and `bias_field` finds them done.
rule bias_field_part:
    input:
        cases="data/cases/{cohort}/manifest.json",
    output:
        "data/corrected/{study}/{cohort}/part_{part}.json",
    log:
        "logs/{study}/bias_field/{cohort}_{part}.log",
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_part
    resources:
        **scheduler_resources("bias_field_part"),
    params:
        code=code("bias_field_part"),
        cfg=lambda w: canonical(parameters.bias_field_part(STUDIES[w.study], int(w.part))),
    shell:
        'python -I -S "$CROSSOVER_JOB" images bias_field_part --code {params.code:q} --cfg {params.cfg:q} '
        "--cases {input.cases} --out {output} --threads {threads} --log {log} 2> {log}"


rule bias_field:
    input:
        cases="data/cases/{cohort}/manifest.json",
        parts=parts,
    output:
        "data/corrected/{study}/{cohort}/manifest.json",
    log:
        "logs/{study}/bias_field/{cohort}.log",
    group:
        after_parts
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_cohort
    resources:
        **scheduler_resources("bias_field"),
    params:
        code=code("bias_field"),
        cfg=lambda w: canonical(parameters.bias_field(STUDIES[w.study])),
    shell:
        'python -I -S "$CROSSOVER_JOB" images bias_field --code {params.code:q} --cfg {params.cfg:q} '
        "--cases {input.cases} --parts {input.parts} --out {output} --threads {threads} --log {log} 2> {log}"


rule slices:
    input:
        cases="data/cases/{cohort}/manifest.json",
        corrected=corrected,
    output:
        "data/slices/{study}/{cohort}/manifest.json",
    log:
        "logs/{study}/slices/{cohort}.log",
    group:
        after_parts
    conda:
        "../envs/imaging.yaml"
    threads: processes_of_cohort
    resources:
        **scheduler_resources("slices"),
    params:
        code=code("slices"),
        cfg=lambda w: canonical(parameters.slices(STUDIES[w.study])),
    shell:
        'python -I -S "$CROSSOVER_JOB" images slices --code {params.code:q} --cfg {params.cfg:q} '
        "--cases {input.cases} --corrected {input.corrected} --out {output} "
        "--threads {threads} --log {log} 2> {log}"


rule splits:
    input:
        patients=of_cohorts("data/cases/{cohort}/patients.csv"),
        cases=of_cohorts("data/cases/{cohort}/manifest.json"),
    output:
        "results/{study}/splits.csv",
        "results/{study}/left_out.csv",
        "results/{study}/warned.csv",
    log:
        "logs/{study}/splits.log",
    conda:
        "../envs/imaging.yaml"
    resources:
        **scheduler_resources("splits"),
    params:
        code=code("splits"),
        cfg=lambda w: canonical(parameters.splits(STUDIES[w.study])),
        # with `input` among its arguments it is no reason to run again
        checks=lambda w, input: canonical(parameters.split_checks(STUDIES[w.study])),
    shell:
        'python -I -S "$CROSSOVER_JOB" tables splits --code {params.code:q} --cfg {params.cfg:q} '
        "--checks {params.checks:q} --patients {input.patients} --cases {input.cases} --out {output} --log {log} 2> {log}"
