namespace Karya.Node.Configuration;

/// <summary>What the configuration says.</summary>
/// <param name="Options">To be used only when there are no problems.</param>
/// <param name="Problems">Every mistake, one line each, with its place and the way out.</param>
/// <param name="Notes">What the operator should know; no reason not to start.</param>
internal sealed record OptionsReading(NodeOptions Options, IReadOnlyList<string> Problems, IReadOnlyList<string> Notes);

/// <summary>
/// The door of this folder: puts the sources together (flags over environment over file over defaults) and reports all
/// mistakes at once. Called once, at start, before anything is opened.
/// </summary>
internal static class OptionsReader
{
    private const string ConfigFlag = "--config";
    private const string DataFlag = "--data";
    private const string StoreName = "karya.db";

    /// <param name="configPath">The flag <c>--config</c>; null when it was not given.</param>
    /// <param name="dataDirectory">The flag <c>--data</c>, which puts the store into that directory; null if not
    /// given.</param>
    /// <param name="workingDirectory">Where <c>karya-node.yml</c> is looked for when no file is named.</param>
    public static OptionsReading Read(
        string? configPath, string? dataDirectory, string workingDirectory,
        IReadOnlyDictionary<string, string> environment)
    {
        var texts = new List<OptionText>();
        var problems = new List<string>();
        var notes = new List<string>();

        ReadFile(configPath, workingDirectory, environment, texts, problems);
        OptionsEnvironment.Read(environment, texts, problems, notes);
        if (dataDirectory is not null)
            ReadDataFlag(dataDirectory, texts, problems);

        var options = Apply(texts, new SecretReferences(environment, workingDirectory), problems);
        if (dataDirectory is not null && options.Storage.Postgres.IsSet)
        {
            string where = texts.Last(text => text.Option.Key == OptionTable.PostgresKey).Where;
            problems.Add($"{DataFlag}: asks for a file, and {where} for Postgres; leave out one of the two.");
        }

        return new OptionsReading(options, problems, notes);
    }

    private static void ReadFile(
        string? configPath, string workingDirectory, IReadOnlyDictionary<string, string> environment,
        List<OptionText> texts, List<string> problems)
    {
        string namedBy = ConfigFlag;
        if (configPath is null && environment.TryGetValue(OptionsEnvironment.ConfigName, out configPath))
            namedBy = OptionsEnvironment.ConfigName;

        string path = Path.Combine(workingDirectory, configPath ?? OptionsFile.DefaultName);
        if (configPath is not null && !File.Exists(path))
        {
            string shown = Option.Shown(configPath);
            problems.Add($"{namedBy}: there is no file \"{shown}\". Without one, the defaults apply.");
            return;
        }

        if (!File.Exists(path))
            return;

        var file = OptionsFile.Read(path, configPath ?? OptionsFile.DefaultName);
        texts.AddRange(file.Texts);
        problems.AddRange(file.Problems);
    }

    private static void ReadDataFlag(string directory, List<OptionText> texts, List<string> problems)
    {
        if (directory.Length == 0)
            problems.Add($"{DataFlag}: names no directory.");
        else
            texts.Add(new OptionText(OptionTable.Find("storage.path")!, Path.Combine(directory, StoreName), DataFlag));
    }

    private static NodeOptions Apply(List<OptionText> texts, SecretReferences references, List<string> problems)
    {
        var options = NodeOptions.Default;
        var whereSet = new Dictionary<string, string>();
        var wrongKeys = new HashSet<string>();

        foreach (var text in texts)
        {
            whereSet[text.Option.Key] = text.Where;
            string value = text.Text;
            string? mistake = text.Option.Resolve?.Invoke(text.Text, references, out value)
                ?? text.Option.Set(value, ref options);
            if (mistake is null)
                continue;

            wrongKeys.Add(text.Option.Key);
            problems.Add($"{text.Where}: {text.Option.Key}: {mistake}. The default is {text.Option.Default}.");
        }

        foreach (var rule in OptionRule.All)
        {
            // A wrong value was not taken over: what follows from its absence is no mistake of the operator.
            bool isSet = rule.Keys.Any(whereSet.ContainsKey);
            if (!isSet || rule.Keys.Any(wrongKeys.Contains))
                continue;

            if (rule.Check(options) is { } broken)
                problems.Add($"{whereSet[rule.Keys.First(whereSet.ContainsKey)]}: {broken}");
        }

        return options;
    }
}
