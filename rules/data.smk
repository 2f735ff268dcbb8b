"""Raw data -> cases -> bias-corrected channels -> slices; and the split of the patients."""


def received(cohort):
    """What `receive` reads: the source's settings and, of real data, the folder's listing."""
    study = STUDIES[COHORTS[cohort]]
    manifest = Path(f"data/raw/{cohort}/manifest.json")
    seen = listing(study.cohorts[cohort].source.kind, DATA, manifest)
    return canonical({**sections.receive(study, cohort), "listing": seen})


rule receive:
    input:
        code=code("receive"),
    output:
        "data/raw/{cohort}/manifest.json",
    log:
        "logs/receive/{cohort}.log",
    benchmark:
        "logs/benchmarks/receive/{cohort}.tsv"
    params:
        cfg=lambda w: received(w.cohort),
    conda:
        "../envs/imaging.yaml"
    shell:
        "python -m workflow_scripts.receive --cfg {params.cfg:q} --out {output} "
        "--threads {threads} {DATA_ARGUMENT} --log {log} 2> {log}"


rule cases:
    input:
        raw="data/raw/{cohort}/manifest.json",
        code=code("cases"),
    output:
        manifest="data/cases/{cohort}/manifest.json",
        patients="data/cases/{cohort}/patients.csv",
    log:
        "logs/cases/{cohort}.log",
    benchmark:
        "logs/benchmarks/cases/{cohort}.tsv"
    params:
        cfg=lambda w: canonical(sections.cases(STUDIES[COHORTS[w.cohort]], w.cohort)),
    conda:
        "../envs/imaging.yaml"
    shell:
        "python -m workflow_scripts.cases --cfg {params.cfg:q} --raw {input.raw} "
        "--out {output.manifest} --threads {threads} {DATA_ARGUMENT} --log {log} 2> {log}"


rule bias_field:
    input:
        cases="data/cases/{cohort}/manifest.json",
        code=code("bias_field"),
    output:
        "data/corrected/{study}/{cohort}/manifest.json",
    log:
        "logs/{study}/bias_field/{cohort}.log",
    benchmark:
        "logs/benchmarks/{study}/bias_field/{cohort}.tsv"
    params:
        cfg=lambda w: canonical(sections.bias_field(STUDIES[w.study])),
    conda:
        "../envs/imaging.yaml"
    shell:
        "python -m workflow_scripts.bias_field --cfg {params.cfg:q} --cases {input.cases} "
        "--out {output} --threads {threads} --log {log} 2> {log}"


def corrected(wildcards):
    """The corrected channels, where the study corrects any."""
    method = STUDIES[wildcards.study].preparation.bias_field.method
    manifest = f"data/corrected/{wildcards.study}/{wildcards.cohort}/manifest.json"
    return [] if method == "none" else [manifest]


rule slices:
    input:
        cases="data/cases/{cohort}/manifest.json",
        corrected=corrected,
        code=code("slices"),
    output:
        "data/slices/{study}/{cohort}/manifest.json",
    log:
        "logs/{study}/slices/{cohort}.log",
    benchmark:
        "logs/benchmarks/{study}/slices/{cohort}.tsv"
    params:
        cfg=lambda w: canonical(sections.slices(STUDIES[w.study])),
        corrected=lambda w: "".join(f"--corrected {path}" for path in corrected(w)),
    conda:
        "../envs/imaging.yaml"
    shell:
        "python -m workflow_scripts.slices --cfg {params.cfg:q} --cases {input.cases} "
        "{params.corrected} --out {output} --threads {threads} --log {log} 2> {log}"


rule splits:
    input:
        patients=of_cohorts("data/cases/{cohort}/patients.csv"),
        code=code("splits"),
    output:
        "results/{study}/splits.csv",
    log:
        "logs/{study}/splits.log",
    params:
        cfg=lambda w: canonical(sections.splits(STUDIES[w.study])),
    conda:
        "../envs/imaging.yaml"
    shell:
        "python -m workflow_scripts.splits --cfg {params.cfg:q} --patients {input.patients} "
        "--out {output} --log {log} 2> {log}"
