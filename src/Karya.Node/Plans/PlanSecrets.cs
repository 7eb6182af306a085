using System.Text;
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
    private const int BytesMax = 64 * 1024;

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

    /// <summary>Links may lead elsewhere below the folder, as Kubernetes makes them, and nowhere else.</summary>
    private string? File(string name, out string problem)
    {
        string outside = $"{Quoted.Shorten(name)} is no file that plans may refer to, below secrets.folder.";
        problem = outside;
        if (folder.Length == 0 || !FileName().IsMatch(name) || name.Split('/').Contains(".."))
            return null;
        problem = $"the file {Quoted.Shorten(name)} below secrets.folder is not there, is empty, or may not be read.";
        try
        {
            string path = Path.Combine(folder, name);
            string target = new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
            if (!Path.GetFullPath(target).StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            {
                problem = outside;
                return null;
            }

            byte[] bytes = new byte[BytesMax];
            using var stream = System.IO.File.OpenRead(path);
            int count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);

            // Whoever writes a secret with an editor ends the line, and does not mean the line end.
            string value = Encoding.UTF8.GetString(bytes, 0, count).TrimEnd('\r', '\n');
            return value.Length > 0 ? value : null;
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
