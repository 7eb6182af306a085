using System.Text.RegularExpressions;

namespace Karya.Node.Configuration;

/// <summary>
/// Reads the options among the environment variables: <c>KARYA_HTTP__LISTEN</c> is <c>http.listen</c>, in any case.
/// </summary>
internal static partial class OptionsEnvironment
{
    /// <summary>Names the configuration file.</summary>
    public const string ConfigName = "KARYA_CONFIG";

    /// <summary>Present in every container that Kubernetes starts.</summary>
    private const string KubernetesName = "KUBERNETES_SERVICE_HOST";

    /// <summary>
    /// Files of the original Karya. Whoever moves over may have them set: worth a word, not a refusal.
    /// </summary>
    private static readonly string[] LegacyNames =
    [
        "KARYA_PROVIDERS_CONFIG_PATH", "KARYA_SERVER_CONFIG_PATH", "KARYA_SCHEDULER_CONFIG_PATH",
        "KARYA_EXECUTOR_CONFIG_PATH",
    ];

    private static readonly Dictionary<string, Option> ByName =
        OptionTable.All.ToDictionary(option => option.EnvironmentName, StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Adds what it finds to the three lists. Variables that do not begin with KARYA_ are no concern of ours.
    /// </summary>
    public static void Read(
        IReadOnlyDictionary<string, string> environment,
        List<OptionText> texts, List<string> problems, List<string> notes)
    {
        bool isKubernetes = environment.ContainsKey(KubernetesName);
        var seen = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in environment.OrderBy(variable => variable.Key, StringComparer.Ordinal))
        {
            if (!name.StartsWith(Option.EnvironmentPrefix, StringComparison.OrdinalIgnoreCase) || name == ConfigName)
                continue;

            if (!seen.TryAdd(name, name))
                problems.Add($"{name}: is the same as {seen[name]}; unset one of the two.");
            else if (ByName.TryGetValue(name, out var option))
                texts.Add(new OptionText(option, value, name));
            else if (LegacyNames.Contains(name, StringComparer.OrdinalIgnoreCase))
                notes.Add($"{name} is not used; options of this Karya are in {OptionsFile.DefaultName}.");
            else if (!isKubernetes || !ServiceLink().IsMatch(name))
                problems.Add(Unknown(name));
        }
    }

    private static string Unknown(string name)
    {
        string? nearest = NearestName.Of(name, [.. ByName.Keys, ConfigName]);
        return $"{Option.Shown(name)}: unknown variable. " +
            (nearest is null ? "Unset it; docs/configuration.md has those there are." : $"Did you mean {nearest}?");
    }

    /// <summary>
    /// What Kubernetes sets in every container beside a service that is called karya, or karya-something.
    /// </summary>
    [GeneratedRegex(
        @"^KARYA_([A-Z0-9_]+_)?"
        + @"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")]
    private static partial Regex ServiceLink();
}
