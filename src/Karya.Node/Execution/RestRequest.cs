using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Karya.Node.Plans;

namespace Karya.Node.Execution;

/// <summary>Turns a REST action into a request, or says why that cannot be done.</summary>
internal static class RestRequest
{
    private const string ContentTypeName = "content-type";
    private const string ContentTypeDefault = "application/json";

    private static readonly SearchValues<char> TokenChars = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    // How the message is framed, and where it goes, is not for a plan to say: that is how requests are smuggled.
    private static readonly HashSet<string> Reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer",
    };

    private static readonly HashSet<string> Ours = new(StringComparer.OrdinalIgnoreCase)
    {
        "karya-task-id", "karya-plan-id", "karya-attempt", "karya-epoch",
    };

    /// <param name="signing">By whom the request is signed, and when; null when it is not.</param>
    /// <param name="problem">Says what is wrong with the action; another attempt would fail in the same way.</param>
    public static bool TryBuild(
        Attempt attempt,
        RestAction action,
        string url,
        Signing? signing,
        [NotNullWhen(true)] out HttpRequestMessage? request,
        [NotNullWhen(false)] out string? problem)
    {
        request = null;
        if (!TryParse(url, out var uri, out problem))
            return false;
        if (ToMethod(action.Method) is not { } method)
        {
            problem = $"the method '{action.Method}' is none of GET, POST, PATCH, PUT and DELETE.";
            return false;
        }

        byte[] body = action.JsonBody is null ? [] : Encoding.UTF8.GetBytes(action.JsonBody);
        var building = new HttpRequestMessage(method, uri) { Content = new ByteArrayContent(body) };
        problem = AddHeaders(building, building.Content, action.Headers, signing is not null);
        if (problem is not null)
        {
            building.Dispose();
            return false;
        }

        AddOwnHeaders(building, attempt);
        signing?.Signer.Sign(building, attempt.Key.ToTaskId().ToString("D"), signing.Value.Now, body);
        request = building;
        return true;
    }

    private static bool TryParse(
        string url, [NotNullWhen(true)] out Uri? uri, [NotNullWhen(false)] out string? problem)
    {
        problem = null;
        if (!Uri.TryCreate(url, UriKind.Absolute, out uri) || uri.Host.Length == 0)
            problem = $"'{url}' is not a URL. Write host:port/path?query.";
        else if (HasFurtherScheme(url))
            problem = $"'{url}' has a scheme that cannot be called. Only http and https can.";
        else if (uri.Port == 0)
            problem = $"'{url}' has port 0. Ports are 1 to 65535.";
        return problem is null;
    }

    /// <summary>A base URL like <c>ftp://h/x</c> would be read as a host named ftp.</summary>
    private static bool HasFurtherScheme(string url)
    {
        var rest = RestTarget.WithoutScheme(url);
        var authority = RestTarget.AuthorityOf(rest);
        return authority.EndsWith(':') && rest[authority.Length..].StartsWith("//", StringComparison.Ordinal);
    }

    private static HttpMethod? ToMethod(string method) => method switch
    {
        "GET" => HttpMethod.Get,
        "POST" => HttpMethod.Post,
        "PATCH" => HttpMethod.Patch,
        "PUT" => HttpMethod.Put,
        "DELETE" => HttpMethod.Delete,
        _ => null,
    };

    private static string? AddHeaders(
        HttpRequestMessage request, HttpContent content, IReadOnlyList<KeyValuePair<string, string>> headers,
        bool isSigned)
    {
        var hasContentType = false;
        foreach (var (name, value) in headers)
        {
            if (Ours.Contains(name) || IsKeepAlive(name, value) || (isSigned && WebhookSigner.IsOwn(name)))
                continue;
            if (ProblemWith(name, value) is { } problem)
                return problem;

            hasContentType |= name.Equals(ContentTypeName, StringComparison.OrdinalIgnoreCase);

            // The library keeps some names for the content. It refuses them here, and every other one there.
            if (!request.Headers.TryAddWithoutValidation(name, value)
                && !content.Headers.TryAddWithoutValidation(name, value))
            {
                return $"the header '{name}' cannot be sent.";
            }
        }

        if (!hasContentType)
            content.Headers.TryAddWithoutValidation(ContentTypeName, ContentTypeDefault);
        return null;
    }

    private static bool IsKeepAlive(string name, string value) =>
        name.Equals("connection", StringComparison.OrdinalIgnoreCase)
        && value.Equals("keep-alive", StringComparison.OrdinalIgnoreCase);

    private static string? ProblemWith(string name, string value)
    {
        if (name.Length == 0 || name.AsSpan().ContainsAnyExcept(TokenChars))
            return $"the header name '{name}' has characters that are not allowed in one.";
        if (Reserved.Contains(name) || name.StartsWith("proxy-", StringComparison.OrdinalIgnoreCase))
            return $"the header '{name}' is not for a plan to set. Remove it.";

        foreach (char c in value)
        {
            if (char.IsControl(c) && c != '\t')
            {
                return string.Create(
                    CultureInfo.InvariantCulture,
                    $"the value of the header '{name}' has the control character U+{(int)c:X4}.");
            }
        }

        return null;
    }

    /// <summary>
    /// What lets a target tell a repeated attempt, or one of a node that has lost the partition, from a new one.
    /// </summary>
    private static void AddOwnHeaders(HttpRequestMessage request, Attempt attempt)
    {
        var headers = request.Headers;
        headers.TryAddWithoutValidation("karya-task-id", attempt.Key.ToTaskId().ToString("D"));
        headers.TryAddWithoutValidation("karya-plan-id", attempt.Key.Plan.ToString());
        headers.TryAddWithoutValidation("karya-attempt", attempt.Number.ToString(CultureInfo.InvariantCulture));
        headers.TryAddWithoutValidation("karya-epoch", attempt.Epoch.ToString(CultureInfo.InvariantCulture));
        headers.TryAddWithoutValidation("connection", "keep-alive");
    }
}
