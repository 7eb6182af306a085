using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;

namespace Karya.Node.Http;

/// <summary>
/// An error of <c>/api</c>: RFC 9457, with a code that never changes and, where it applies, the field that is wrong.
/// </summary>
internal sealed record Problem(int Status, string Code, string Detail, string? Field = null)
{
    public static void Write(Utf8JsonWriter json, Problem problem)
    {
        json.WriteStartObject();
        json.WriteString("title", ReasonPhrases.GetReasonPhrase(problem.Status));
        json.WriteNumber("status", problem.Status);
        json.WriteString("code", problem.Code);
        json.WriteString("detail", problem.Detail);
        if (problem.Field is not null)
            json.WriteString("field", problem.Field);

        json.WriteEndObject();
    }
}
