# Reference values of the statistics, by R. In this folder: Rscript make.R
# Needs base R and the packages lme4, nlme, boot, jsonlite (Debian: r-base-core r-cran-lme4 r-cran-boot
# r-cran-jsonlite). Writes data.csv (simulated DSC of 14 cases under 4 families at 5 sizes, with ties) and
# values.json; versions.txt says with what.
suppressMessages({library(lme4); library(nlme); library(boot); library(jsonlite)})
set.seed(20230)

sizes <- c(5, 13, 26, 51, 128)
start <- c(scratch = 0.20, transfer = 0.52, aggregated = 0.40, control = 0.38)
gain <- c(scratch = 0.11, transfer = 0.03, aggregated = 0.07, control = 0.07)
data <- expand.grid(case = sprintf("case-%02d", 1:14), n_train = sizes, family = names(start))
ease <- rnorm(14, 0, 0.10)
names(ease) <- levels(data$case)
data$dsc <- start[as.character(data$family)] + gain[as.character(data$family)] * log2(data$n_train / 5) +
  ease[as.character(data$case)] + rnorm(nrow(data), 0, 0.05)
data$dsc <- round(pmin(pmax(data$dsc, 0.01), 0.99), 2)
write.csv(data[, c("family", "n_train", "case", "dsc")], "data.csv", row.names = FALSE, quote = FALSE)

at_n <- data[data$n_train == 26, ]
at_n$family <- factor(at_n$family, levels = names(start))
wide <- matrix(at_n$dsc, nrow = 14, dimnames = list(NULL, names(start)))
out <- list(n = 26)

# Repeated measures, with Greenhouse and Geisser's epsilon by the multivariate linear model
strata <- summary(aov(dsc ~ family + Error(case / family), at_n))
inner <- strata[["Error: case:family"]][[1]]
spherical <- anova(lm(wide ~ 1), X = ~1, test = "Spherical")
out$anova_repeated <- list(F = inner[1, "F value"], df1 = inner[1, "Df"], df2 = inner[2, "Df"],
  p = inner[1, "Pr(>F)"], epsilon = attr(spherical, "heading") |>
    grep(pattern = "Greenhouse", value = TRUE) |> sub(pattern = ".*: *", replacement = "") |> as.numeric(),
  p_corrected = spherical[1, "G-G Pr"])

# Friedman; signed ranks: asymptotic as in the paper; exact over the ranks found, by all sign patterns
found <- friedman.test(wide)
out$friedman <- list(statistic = unname(found$statistic), df = unname(found$parameter), p = found$p.value)
d <- round(wide[, "transfer"] - wide[, "aggregated"], 12)
ranks <- rank(abs(d[d != 0]))
signs <- as.matrix(expand.grid(rep(list(0:1), length(ranks))))
sums <- as.vector(signs %*% ranks)
observed <- sum(ranks[d[d != 0] > 0])
out$wilcoxon <- list(a = "transfer", b = "aggregated",
  p_asymptotic = suppressWarnings(wilcox.test(d, exact = FALSE, correct = FALSE)$p.value),
  p_exact_ties = mean(abs(sums - mean(sums)) >= abs(observed - mean(sums)) - 1e-9),
  p_t = t.test(d)$p.value, mean = mean(d), cohen_dz = mean(d) / sd(d),
  rank_biserial = (2 * observed - sum(ranks)) / sum(ranks))
distinct <- c(0.031, -0.012, 0.055, 0.104, 0.047, -0.023, 0.081, 0.068, 0.012, 0.029)
distinct[9] <- 0.013
out$wilcoxon_no_ties <- list(d = distinct, p_exact = wilcox.test(distinct, exact = TRUE)$p.value)
set.seed(1)
bca <- boot.ci(boot(d, function(x, i) mean(x[i]), 200000), type = "bca")$bca
out$bca <- list(low = bca[4], high = bca[5])

# Independent groups, as the papers do
one <- summary(aov(dsc ~ family, at_n))[[1]]
out$anova_one_way <- list(F = one[1, "F value"], p = one[1, "Pr(>F)"])
tukey <- TukeyHSD(aov(dsc ~ family, at_n))$family
out$tukey <- data.frame(pair = rownames(tukey), difference = tukey[, "diff"], low = tukey[, "lwr"],
  high = tukey[, "upr"], p = tukey[, "p adj"], row.names = NULL)

# Mixed models, REML: Wald's chi-square of all family terms; of family x log2 n
wald <- function(model, terms) {
  beta <- fixef(model)[terms]
  list(statistic = as.numeric(t(beta) %*% solve(as.matrix(vcov(model))[terms, terms], beta)),
    df = length(terms))
}
described <- function(model, pattern) {
  terms <- grep(pattern, names(fixef(model)), value = TRUE)
  found <- wald(model, terms)
  c(found, p = pchisq(found$statistic, found$df, lower.tail = FALSE),
    sd_cases = attr(VarCorr(model)$case, "stddev")[[1]], sd_rest = sigma(model))
}
out$mixed_family <- described(lmer(dsc ~ family + (1 | case), at_n), "^family")
data$x <- log2(data$n_train)
out$mixed_growth <- described(lmer(dsc ~ family * x + (1 | case), data), ":x$")
by_nlme <- nlme::lme(dsc ~ family, at_n, random = ~ 1 | case)
out$mixed_family_nlme <- list(sd_cases = as.numeric(nlme::VarCorr(by_nlme)["(Intercept)", "StdDev"]),
  sd_rest = by_nlme$sigma)

# Corrections, curves
p <- c(0.011, 0.02, 0.0004, 0.6, 0.03, 0.03, 0.0009)
out$holm <- list(p = p, adjusted = p.adjust(p, "holm"))
means <- tapply(data$dsc, list(data$family, data$n_train), mean)
curve <- c(0.31, 0.45, 0.41, 0.40, 0.62, 0.58)
out$isoreg <- list(y = curve, fitted = isoreg(curve)$yf)
y <- means["scratch", ]
power <- nls(y ~ a - b * sizes^(-c), algorithm = "port", start = list(a = 0.9, b = 1, c = 0.3),
  lower = c(0, 0, 1e-3), upper = c(1, Inf, Inf), control = nls.control(maxiter = 500, warnOnly = TRUE))
out$power <- c(list(n = sizes, y = unname(y)), as.list(coef(power)), rss = deviance(power))

# ICC(1,1), ICC(A,1), ICC(C,1) of two raters from the mean squares (McGraw & Wong 1996)
pair <- wide[, c("aggregated", "control")]
long <- data.frame(v = as.vector(pair), case = factor(rep(1:14, 2)), rater = factor(rep(1:2, each = 14)))
ms <- summary(aov(v ~ case + rater, long))[[1]][["Mean Sq"]]
within <- summary(aov(v ~ case, long))[[1]][["Mean Sq"]][2]
n <- 14; k <- 2
out$icc <- list(a = "aggregated", b = "control",
  one = (ms[1] - within) / (ms[1] + (k - 1) * within),
  agreement = (ms[1] - ms[3]) / (ms[1] + (k - 1) * ms[3] + k * (ms[2] - ms[3]) / n),
  consistency = (ms[1] - ms[3]) / (ms[1] + (k - 1) * ms[3]))

write(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE), "values.json")
versions <- c(R.version.string, sapply(c("lme4", "nlme", "boot", "jsonlite"),
  function(p) paste(p, packageVersion(p))))
writeLines(versions, "versions.txt")
