using System.Text.RegularExpressions;

namespace Karya.Node.Plans;

/// <summary>A secret that was put into a request.</summary>
/// <param name="Reference">What the plan has instead of it.</param>
internal readonly record struct UsedSecret(string Reference, string Value);

/// <summary>
/// What <c>${env:NAME}</c> and <c>${file:path}</c> in plans stand for. Plans are stored and shown with the references;
/// the values are looked up when an attempt is made, and only what the operator has named can be referred to.
/// Thread-safe.
/// </summary>
/// <param name="names">Variables that may be referred to; an entry may end with <c>*</c>.</param>
/// <param name="folder">Below which files may be referred to, as a full path; empty for none.</param>
/// <param name="variable">Looks a variable up.</param>
internal sealed partial class PlanSecrets(
    IReadOnlyList<string> names, string folder, Func<string, string?> variable)
{
    private const int LinksMax = 40; // As Linux.

    /// <summary>Nothing can be referred to.</summary>
    public static PlanSecrets None { get; } = new([], "", _ => null);

    /// <summary>Something can.</summary>
    public bool IsOn => names.Count > 0 || folder.Length > 0;

    /// <summary>What is wrong with the first reference in a text that cannot be resolved; null when all can.</summary>
    public string? ProblemWith(string text)
    {
        foreach (Match reference in Reference().Matches(text))
        {
            if (!TryLookUp(reference, out _, out string problem))
                return problem;
        }

        return null;
    }

    /// <summary>Puts values in the place of references.</summary>
    /// <param name="used">Takes what was put in.</param>
    /// <param name="problem">What is wrong with the first one that cannot be resolved; never shows a value.</param>
    public string Resolve(string text, List<UsedSecret> used, out string? problem)
    {
        string? first = null;
        string resolved = Reference().Replace(text, reference =>
        {
            if (TryLookUp(reference, out string value, out string why))
                used.Add(new UsedSecret(reference.Value, value));
            else
                first ??= why;
            return value;
        });
        problem = first;
        return resolved;
    }

    /// <summary>A text with references again, where a target has repeated the values to us.</summary>
    public static string Redact(string text, IReadOnlyList<UsedSecret> used)
    {
        foreach (var (reference, value) in used.OrderByDescending(secret => secret.Value.Length))
            text = text.Replace(value, reference, StringComparison.Ordinal);
        return text;
    }

    private bool TryLookUp(Match reference, out string value, out string problem)
    {
        string name = reference.Groups["name"].Value;
        string? found = reference.Groups["kind"].Value == "env" ? Variable(name, out problem) : File(name, out problem);
        value = found ?? "";
        return found is not null;
    }

    private string? Variable(string name, out string problem)
    {
        problem = $"{Quoted.Shorten(name)} is no variable that plans may refer to; secrets.environment does not name "
            + "it.";
        bool isNamed = names.Any(entry => entry.EndsWith('*')
            ? name.StartsWith(entry.AsSpan(0, entry.Length - 1), StringComparison.Ordinal)
            : name == entry);
        if (!isNamed)
            return null;
        problem = $"the variable {Quoted.Shorten(name)} is not set on this node, or empty.";
        return variable(name) is { Length: > 0 } value ? value : null;
    }

    private string? File(string name, out string problem)
    {
        problem = $"{Quoted.Shorten(name)} is no file that plans may refer to, below secrets.folder.";
        if (folder.Length == 0 || !FileName().IsMatch(name) || Below(name) is not { } path)
            return null;
        string? value = SecretFile.Read(path, out string mistake);
        problem = $"the file {Quoted.Shorten(name)} below secrets.folder {mistake}.";
        return value;
    }

    /// <summary>
    /// Where a file is when all links on the way are followed. Null: it is not below the folder. Links that stay there
    /// are fine, as those by which Kubernetes changes secrets.
    /// </summary>
    private string? Below(string name)
    {
        var parts = new Stack<string>(name.Split('/').Reverse());
        string path = folder;
        for (int links = 0; parts.TryPop(out string? part);)
        {
            if (part == "..")
                return null;
            path = Path.Combine(path, part);
            if (LinkOf(path) is not { } link)
                continue;
            string target = Path.GetFullPath(link, Path.GetDirectoryName(path)!);
            bool isBelow = target.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);
            if (!isBelow || ++links > LinksMax)
                return null;
            foreach (string below in target[(folder.Length + 1)..].Split(Path.DirectorySeparatorChar).Reverse())
                parts.Push(below);
            path = folder; // From the beginning: there may be links on the way to where this one leads.
        }

        return path;
    }

    private static string? LinkOf(string path)
    {
        try
        {
            return new FileInfo(path).LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\$\{(?<kind>env|file):(?<name>[^}]*)\}")]
    private static partial Regex Reference();

    [GeneratedRegex(@"^[A-Za-z0-9_.-][A-Za-z0-9_./-]{0,254}\z")]
    private static partial Regex FileName();
}
